import type { TurnEvent } from "@parley-chat/sdk/contract";

/** An event of a turn as JSON, the same for event streams and sockets. */
export function eventJson(event: TurnEvent): string {
  if (event.type !== "reply.delta") return JSON.stringify(event);
  // The event that is most of all traffic, written out: ids, numbers and cursors need no escaping.
  const { cursor, epoch, offset } = event;
  const ids = `"conversation_id":"${event.conversation_id}","turn_id":"${event.turn_id}"`;
  const text = JSON.stringify(event.text);
  return `{"type":"reply.delta",${ids},"epoch":${epoch},"offset":${offset},"text":${text},"cursor":"${cursor}"}`;
}
