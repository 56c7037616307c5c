/** A turn, and whose lane it belongs to. */
export interface TurnPlace {
  turnId: string;
  conversationId: string;
}

/** A turn that waits for its place or runs. */
export interface LaneTurn extends TurnPlace {
  characterId: string;
}

/**
 * One lane for each conversation: its turns run one at a time, in the order of acceptance. Over all
 * lanes at most `runningMax` run at once; the rest wait in the order in which they came to the front.
 */
export function createLanes(uses: { runningMax: number; run: (turn: LaneTurn) => Promise<void> }) {
  const lanes = new Map<string, LaneTurn[]>();
  const known = new Set<string>();
  const front: LaneTurn[] = [];
  let running = 0;
  let isPaused = false;
  const whenIdle: (() => void)[] = [];

  const begin = (turn: LaneTurn) => {
    running++;
    void uses.run(turn).finally(() => {
      running--;
      leave(turn);
      fill();
      if (running === 0) for (const tell of whenIdle.splice(0)) tell();
    });
  };

  const fill = () => {
    while (!isPaused && running < uses.runningMax) {
      const turn = front.shift();
      if (!turn) return;
      // Whoever was taken out, or came again since, is not the one that stood here.
      if (lanes.get(turn.conversationId)?.[0] === turn) begin(turn);
    }
  };

  const leave = (turn: TurnPlace) => {
    known.delete(turn.turnId);
    const lane = lanes.get(turn.conversationId);
    if (!lane) return;
    const wasFirst = lane[0]?.turnId === turn.turnId;
    const rest = lane.filter((other) => other.turnId !== turn.turnId);
    if (rest.length === 0) lanes.delete(turn.conversationId);
    else lanes.set(turn.conversationId, rest);
    if (wasFirst && rest[0]) front.push(rest[0]);
  };

  return {
    /** Puts a turn at the end of its lane; one that is there already stays where it is. */
    add(turn: LaneTurn) {
      if (known.has(turn.turnId)) return;
      known.add(turn.turnId);
      const lane = lanes.get(turn.conversationId);
      if (lane) lane.push(turn);
      else {
        lanes.set(turn.conversationId, [turn]);
        front.push(turn);
        fill();
      }
    },
    has: (turnId: string) => known.has(turnId),
    /** Whether the next turn of a conversation would begin at once. */
    isFree: (conversationId: string) =>
      !isPaused && running < uses.runningMax && front.length === 0 && !lanes.has(conversationId),
    /** Takes a turn out that has not begun. */
    remove(turn: TurnPlace) {
      leave(turn);
      fill();
    },
    /** Begins nothing more. */
    pause() {
      isPaused = true;
    },
    /** Resolves once nothing runs. */
    idle(): Promise<void> {
      return running === 0 ? Promise.resolve() : new Promise((resolve) => whenIdle.push(resolve));
    },
    get running() {
      return running;
    },
    get waiting() {
      return known.size - running;
    },
  };
}
