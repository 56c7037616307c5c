/** A wire to the inspector of a Node that was started with `--inspect=127.0.0.1:PORT`. */
export interface Inspector {
  /** Collects all garbage, then tells what is left, in MiB. */
  memoryMb(): Promise<{ resident: number; heap: number; outside: number }>;
  close(): void;
}

export async function inspect(port: number): Promise<Inspector> {
  const listed = await fetch(`http://127.0.0.1:${port}/json/list`);
  const [target] = (await listed.json()) as { webSocketDebuggerUrl: string }[];
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<number, (result: { result?: { value?: string } }) => void>();
  socket.onmessage = ({ data }) => {
    const { id, result } = JSON.parse(String(data));
    waiting.get(id)?.(result);
    waiting.delete(id);
  };
  let last = 0;
  const ask = (method: string, params: object = {}) =>
    new Promise<{ result?: { value?: string } }>((resolve) => {
      waiting.set(++last, resolve);
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  const mb = (bytes: number) => bytes / 1_048_576;
  return {
    async memoryMb() {
      await ask("HeapProfiler.collectGarbage");
      const expression = "JSON.stringify(process.memoryUsage())";
      const { result } = await ask("Runtime.evaluate", { expression });
      const { rss, heapUsed, external } = JSON.parse(result?.value ?? "{}");
      return { resident: mb(rss), heap: mb(heapUsed), outside: mb(external) };
    },
    close: () => socket.close(),
  };
}
