import type { HttpBindings } from '@hono/node-server';
import type { LoadSettings } from '../../uploads/load-settings.ts';
import type { Previews, Received } from '../../uploads/previews.ts';
import { type FileForm, readFileForm } from '../desk/file-form.ts';
import type { AtCouncil } from './guarded-council.ts';

/** Reads a form of somebody's session with one file, which is stored among the waiting uploads. */
export const receiveFile = (
  { previews, loads }: { previews: Previews; loads: Pick<LoadSettings, 'maxBytes'> },
  env: HttpBindings,
  { session, authority, caller, refusalOf }: AtCouncil,
  form: string,
): Promise<FileForm<Received & { filename: string }>> =>
  readFileForm(env, {
    maxBytes: loads.maxBytes,
    refusalOf: (fields) => refusalOf(fields, { form }),
    take: async ({ content, filename }) => ({
      ...(await previews.receive(
        { authority, userKey: caller.userKey, session },
        filename,
        content,
      )),
      filename,
    }),
    drop: async (received) => {
      if (received.kind === 'received') await previews.discard(received.id);
    },
  });
