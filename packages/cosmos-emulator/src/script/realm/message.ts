import type { MessageProperties } from '../script-messages.ts';
import type { MakeError } from './errors.ts';

/** The request or the response as a script sees it: `getBody`, `setBody`, `getValue('Body')` and their like. */
export type ScriptMessage = Record<string, (...parameters: unknown[]) => unknown>;

/** Makes one, inside the realm of a script: its text is sent there, so it uses nothing from outside itself. */
export function createMessage(properties: MessageProperties, makeError: MakeError): ScriptMessage {
  const { parse, stringify } = JSON;
  const values = new Map(Object.entries(properties).map(([name, { text }]) => [name, parse(text)]));

  const requireWritable = (name: string): number => {
    const property = properties[name];
    if (property === undefined) throw makeError(400, `Cannot set new values: ${name}`);
    if (!property.isWritable) throw makeError(403, `Not a writable property: ${name}`);
    return property.limit ?? Number.POSITIVE_INFINITY;
  };
  const set = (name: string, value: unknown): void => {
    const limit = requireWritable(name);
    const text = typeof value === 'object' && value !== null ? stringify(value) : String(value);
    // A header travels encoded.
    const size = name.startsWith('x-') ? encodeURIComponent(text.toWellFormed()).length : text.length;
    if (size > limit) {
      throw makeError(
        413,
        `Resulting message would be too large because of "${name}". Return from script with current message and use continuation token to call the script again or modify your script.`,
      );
    }
    values.set(name, value);
  };
  const append = (name: string, value: unknown): void => {
    const old = values.get(name);
    set(name, old === undefined || old === null ? value : old + value);
  };

  const message: ScriptMessage = {
    getValue: (name) => values.get(String(name)),
    setValue: (name, value) => set(String(name), value),
    appendValue: (name, value) => append(String(name), value),
  };
  for (const [name, { isWritable }] of Object.entries(properties)) {
    message[`get${name}`] = () => values.get(name);
    if (!isWritable) continue;
    message[`set${name}`] = (value) => set(name, value);
    message[`append${name}`] = (value) => append(name, value);
  }
  return message;
}
