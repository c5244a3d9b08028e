import { answer, type Gate } from './gate.ts';

/** Config says that the authority may be moved without a person's word. */
export const flipAllowed: Gate = {
  name: 'flip allowed',
  look: async ({ group: { row } }) => [
    answer(
      'flip allowed',
      row?.wish.flip === 'auto',
      `flip: "${row?.wish.flip ?? 'manual'}" in config revision ${row?.wish.revision ?? 0}`,
      'flip: "auto": this step moves the authority, and holds writes for a moment',
    ),
  ],
  ahead: true,
};
