import { NOT_CHECKED } from '#schemas/wording/pages.ts';
import type { FormRefusal } from './forms.ts';

/** Why nothing was taken from a form, in one line. */
export const FORMS_REFUSED: Record<FormRefusal, string> = {
  'form-untrusted': NOT_CHECKED.untrusted,
  'form-field-repeated': NOT_CHECKED.repeated,
  'body-too-large': NOT_CHECKED.tooMuch,
  'request-timeout': NOT_CHECKED.late,
};
