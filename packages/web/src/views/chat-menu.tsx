import type { Character, Conversation } from "@parley-chat/sdk";
import { type FormEvent, useState } from "react";
import { navigate, paths } from "../lib/router.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, IconButton, Link } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { ReplySettings } from "./reply-settings.tsx";

/** All about one conversation: its name, how replies are made, where it goes. */
export function ChatMenu({
  conversation,
  character,
}: {
  conversation: Conversation;
  character: Character | null;
}) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <IconButton icon="tune" label={strings.chatMenu.open} onClick={() => setOpen(true)} />
      {isOpen && (
        <Dialog title={strings.chatMenu.title} onClose={() => setOpen(false)}>
          <ChatMenuBody conversation={conversation} character={character} onClose={() => setOpen(false)} />
        </Dialog>
      )}
    </>
  );
}

function ChatMenuBody(props: { conversation: Conversation; character: Character | null; onClose(): void }) {
  const { conversation, character, onClose } = props;
  const { conversations } = useStores();
  const { isBusy, trouble, run } = useAction();
  const [isRemoving, setRemoving] = useState(false);
  const [settings, setSettings] = useState(conversation.settings);
  const s = strings.chatMenu;
  const isArchived = conversation.status === "archived";

  const save = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const title = String(new FormData(event.currentTarget).get("title") ?? "").trim();
    if (await run(() => conversations.update(conversation.id, { title, settings }))) onClose();
  };
  const archive = async () => {
    if (
      await run(() => conversations.update(conversation.id, { status: isArchived ? "active" : "archived" }))
    )
      onClose();
  };

  return (
    <form onSubmit={save}>
      <TextField
        label={s.name}
        name="title"
        maxLength={200}
        defaultValue={conversation.title}
        placeholder={character?.name ?? ""}
      />
      <ReplySettings settings={settings} onChange={setSettings} />
      {trouble && <Trouble {...trouble} />}
      <div className="row end">
        <Button look="main" type="submit" disabled={isBusy}>
          {strings.save}
        </Button>
      </div>
      <div className="row sheet-foot">
        {character && (
          <Link to={paths.character(character.id)} className="button quiet">
            {s.character(character.name)}
          </Link>
        )}
        <Button look="quiet" icon="archive" onClick={archive} disabled={isBusy}>
          {isArchived ? s.unarchive : s.archive}
        </Button>
        <Button look="quiet" icon="trash" onClick={() => setRemoving(true)}>
          {s.remove}
        </Button>
      </div>
      {isRemoving && (
        <Confirm
          title={s.removeTitle}
          text={s.removeText}
          action={s.remove}
          onClose={() => setRemoving(false)}
          onYes={async () => {
            await conversations.remove(conversation.id);
            navigate(paths.gallery, { replace: true });
          }}
        />
      )}
    </form>
  );
}
