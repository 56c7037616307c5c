import type { TurnEvent } from "@parley-chat/sdk";

/** A reply that is being made, as far as it was heard. */
export interface Running {
  readonly turnId: string;
  readonly replyId: string;
  /** 0 until an attempt began. */
  readonly epoch: number;
  readonly text: string;
}

export type RunningReplies = Readonly<Record<string, Running>>;

/**
 * What is shown after an event. Text is placed by its offset, so that an event heard twice does no harm;
 * another epoch begins anew.
 */
export function afterEvent(running: RunningReplies, event: TurnEvent): RunningReplies {
  const old = running[event.turn_id];
  const put = (next: Running): RunningReplies => ({ ...running, [event.turn_id]: next });
  switch (event.type) {
    case "turn.started":
      return old ? running : put({ turnId: event.turn_id, replyId: event.reply.id, epoch: 0, text: "" });
    case "reply.start":
      if (old?.epoch === event.epoch) return running;
      return put({ turnId: event.turn_id, replyId: event.message_id, epoch: event.epoch, text: "" });
    case "reply.reset":
      return old ? put({ ...old, epoch: event.epoch, text: "" }) : running;
    case "reply.delta":
      if (!old || old.epoch !== event.epoch || event.offset > old.text.length) return running;
      return put({ ...old, text: old.text.slice(0, event.offset) + event.text });
    case "reply.end":
      return running;
    default: {
      const { [event.turn_id]: _, ...others } = running;
      return others;
    }
  }
}

export const runningReply = (running: RunningReplies, replyId: string): Running | undefined =>
  Object.values(running).find((one) => one.replyId === replyId);
