import type { PromptMessage } from "../llm.ts";

/** What stands before a greeting, for templates that let the user speak first. */
const OPENING = "(The conversation begins.)";

/**
 * The same prompt for chat templates of open models, many of which refuse anything but one system
 * message followed by user and assistant in turn, the user first (Gemma, Mistral). Neighbours of one
 * role are joined; a later system message goes to the end of the user's last message: no text gains a
 * higher role than it had.
 */
export function alternate(messages: readonly PromptMessage[]): PromptMessage[] {
  const [first, ...rest] = messages;
  const system = first?.role === "system" ? [first] : [];
  const turns: PromptMessage[] = [];
  for (const { role, content } of system.length > 0 ? rest : messages) {
    const speaker = role === "system" ? "user" : role;
    const last = turns.at(-1);
    if (last?.role === speaker) {
      turns[turns.length - 1] = { role: speaker, content: `${last.content}\n\n${content}` };
    } else {
      if (turns.length === 0 && speaker === "assistant") turns.push({ role: "user", content: OPENING });
      turns.push({ role: speaker, content });
    }
  }
  return [...system, ...turns];
}
