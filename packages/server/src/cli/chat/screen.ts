import type { Conversation, Message, TurnEvent } from "@parley-chat/sdk";
import { createEmphasis } from "./emphasis.ts";
import { createStyle, forOneLine, forTerminal } from "./plain-text.ts";

/** Who one talks with. */
export interface Partner {
  readonly id: string;
  readonly name: string;
  /** Null: one of ours. */
  readonly ownerId: string | null;
}

/** What is wrong, for people and for programs. */
export interface Complaint {
  code: string;
  detail: string;
}

/** Where a conversation is shown: to a person, as plain text, or as JSON lines. */
export interface Screen {
  /** A conversation is taken up: its newest messages, oldest first. */
  open(conversation: Conversation, partner: Partner, history: readonly Message[]): void;
  /** Messages once more, oldest first. */
  history(partner: Partner, messages: readonly Message[]): void;
  /** One event of a running turn. */
  event(event: TurnEvent, partner: Partner): void;
  /** What is not part of the conversation. */
  notice(text: string): void;
  complain(complaint: Complaint): void;
  /** What stands before the line that one types. */
  readonly prompt: string;
}

interface Outputs {
  out(text: string): void;
  err(text: string): void;
}

/** For a person: who speaks stands before what is said; what is beside it is dim. */
export function createPersonScreen({ out }: Outputs, isColored: boolean): Screen {
  const style = createStyle(isColored);
  const emphasis = createEmphasis();
  const emphasized = (text: string) => (isColored ? emphasis.push(forTerminal(text)) : forTerminal(text));
  /** What of the running reply stands there: nothing, its name, or text. */
  let shown: "nothing" | "name" | "text" = "nothing";
  const nameOf = (partner: Partner) => style.bold(`${forOneLine(partner.name)}: `);
  const notice = (text: string) => out(`${style.dim(forTerminal(text))}\n`);
  const finish = () => {
    if (shown !== "nothing") out(`${emphasis.end()}\n`);
    shown = "nothing";
  };
  const complain = ({ detail }: Complaint) => {
    finish();
    out(`${style.red(forTerminal(detail))}\n`);
  };
  const show = (partner: Partner, messages: readonly Message[]) => {
    for (const message of messages) {
      const who = message.role === "user" ? style.cyan("You: ") : nameOf(partner);
      out(`\n${who}${emphasized(contentOf(message))}${emphasis.end()}\n`);
    }
  };

  return {
    prompt: style.cyan("You: "),
    notice,
    complain,
    history(partner, messages) {
      show(partner, messages);
      out("\n");
    },
    open(conversation, partner, history) {
      const name = forOneLine(partner.name);
      const isNamed = conversation.title !== "" && conversation.title !== partner.name;
      const state = history.length > 1 ? "taken up again" : "a new conversation";
      const title = isNamed ? forOneLine(conversation.title) : state;
      out(`\n${style.bold(name)} ${style.dim(`· ${title} · this is an AI`)}\n`);
      notice("Ctrl-C stops a reply, Ctrl-D leaves, /help shows what else there is.");
      const first = history[0];
      if (first && first.parent_id !== null) notice("(earlier messages are left out; /history shows more)");
      show(partner, history);
      out("\n");
    },
    event(event, partner) {
      switch (event.type) {
        case "turn.started":
        case "reply.start":
          if (shown === "nothing") out(`\n${nameOf(partner)}`);
          if (shown === "nothing") shown = "name";
          break;
        case "reply.delta":
          out(emphasized(event.text));
          shown = "text";
          break;
        case "reply.reset":
          out(emphasis.end());
          if (shown === "text") out(`\n${style.dim("(broken off; it begins again)")}\n${nameOf(partner)}`);
          shown = "name";
          break;
        case "reply.end":
          out(emphasis.end());
          if (event.finish_reason === "length") out(style.dim(" (cut at the greatest length of a reply)"));
          break;
        case "turn.completed":
          finish();
          out("\n");
          break;
        case "turn.stopped":
          finish();
          notice("(stopped)\n");
          break;
        case "turn.failed":
          complain(event.problem);
          notice("/regenerate tries again.\n");
          break;
      }
    },
  };
}

/** For a pipe: what characters say goes to standard output, everything else to standard error. */
export function createPlainScreen({ out, err }: Outputs): Screen {
  let hasText = false;
  const notice = (text: string) => err(`${forTerminal(text)}\n`);
  return {
    prompt: "",
    notice,
    complain: ({ detail }) => err(`parley: ${forTerminal(detail)}\n`),
    history(partner, messages) {
      for (const message of messages) {
        const who = message.role === "user" ? "You" : forOneLine(partner.name);
        out(`${who}: ${forTerminal(contentOf(message))}\n`);
      }
    },
    open: (_conversation, partner) => notice(`Talking with ${forOneLine(partner.name)}, an AI.`),
    event(event) {
      switch (event.type) {
        case "reply.delta":
          out(forTerminal(event.text));
          hasText = true;
          break;
        case "reply.reset":
          if (hasText) out("\n");
          if (hasText) notice("The reply was broken off; it begins again.");
          break;
        case "turn.completed":
        case "turn.stopped":
        case "turn.failed":
          if (hasText) out("\n");
          hasText = false;
          if (event.type === "turn.failed") err(`parley: ${forTerminal(event.problem.detail)}\n`);
          break;
      }
    },
  };
}

/** For a program: the conversation, then the events of each turn as the API has them, one object a line. */
export function createJsonScreen({ out, err }: Outputs): Screen {
  const line = (value: object) => out(`${JSON.stringify(value)}\n`);
  return {
    prompt: "",
    notice: (text) => err(`${forTerminal(text)}\n`),
    complain: (problem) => line({ type: "error", problem }),
    open: (conversation, { id, name }) =>
      line({ type: "conversation.opened", conversation, character: { id, name } }),
    history: (_partner, messages) => line({ type: "messages", items: messages }),
    event: (event) => line(event),
  };
}

/** What stands for a message whose text is not there. */
function contentOf(message: Message): string {
  if (message.deleted_at !== undefined) return "(deleted)";
  if (message.status === "failed") return "(no reply)";
  if (message.status !== "incomplete") return message.content;
  return `${message.content} (${message.finish_reason === "stopped" ? "stopped" : "broken off"})`;
}
