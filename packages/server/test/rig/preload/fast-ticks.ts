/** Preloaded into a process, makes what it does every second or so come `?times=` as often; delays stay as they are. */
const times = Number(new URL(import.meta.url).searchParams.get("times"));
const { setInterval: every } = globalThis;
globalThis.setInterval = ((run: () => void, ms: number) =>
  every(run, ms >= 1_000 ? ms / times : ms)) as typeof setInterval;
