const shapes = {
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  menu: "M4 7h16M4 12h16M4 17h10",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M5.5 11.5L12 5l6.5 6.5",
  stop: "M7 7h10v10H7z",
  again: "M20 11a8 8 0 1 0-2.3 6.3M20 4v7h-7",
  edit: "M4 20l1-4.5L16.5 4a2.1 2.1 0 0 1 3 3L8 18.5 4 20zM14.5 6l3.5 3.5",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5",
  gear: "M10.2 5.3L10.4 2.8L13.6 2.8L13.8 5.3L15.5 6L17.4 4.4L19.6 6.6L18 8.5L18.7 10.2L21.2 10.4L21.2 13.6L18.7 13.8L18 15.5L19.6 17.4L17.4 19.6L15.5 18L13.8 18.7L13.6 21.2L10.4 21.2L10.2 18.7L8.5 18L6.6 19.6L4.4 17.4L6 15.5L5.3 13.8L2.8 13.6L2.8 10.4L5.3 10.2L6 8.5L4.4 6.6L6.6 4.4L8.5 6zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  people:
    "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.5-3.6 3-5.5 6.5-5.5s6 1.9 6.5 5.5M16 5a3.5 3.5 0 0 1 0 6.5M18 14.8c2 .8 3.2 2.5 3.5 5.2",
  down: "M12 5v14M5.5 12.5L12 19l6.5-6.5",
  upload: "M12 16V5M7 9.5L12 4.5l5 5M5 16v3.5h14V16",
  archive: "M4 5h16v4H4zM5.5 9v10.5h13V9M10 13h4",
  tune: "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.5v5M9 13.5v5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  alert: "M12 4l9 16H3zM12 10v4.5M12 17.2h.01",
} as const;

export type IconName = keyof typeof shapes;

/** A picture beside or instead of a word; the word is always there for who does not see it. */
export const Icon = ({ name }: { name: IconName }) => (
  <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d={shapes[name]} />
  </svg>
);
