import { expect, test } from 'vitest';
import { createTwice } from '#service/pages/session/twice.ts';

/** What happens when a double click sends a form twice. */

const setUp = () => {
  const judged: string[] = [];
  const twice = createTwice<{ says: string }>(({ says }) => says === 'wrong');
  const judge = (form: string, answer: Promise<{ says: string }>) =>
    twice(form, () => {
      judged.push(form);
      return answer;
    });
  return { judged, judge };
};

test('a form that comes again while it is being judged gets the same answer, and another form gets its own', async () => {
  const { judged, judge } = setUp();
  const first = Promise.withResolvers<{ says: string }>();
  const answers = [
    judge('a', first.promise),
    judge('a', Promise.resolve({ says: 'again' })),
    judge('b', Promise.resolve({ says: 'other' })),
  ];
  first.resolve({ says: 'done' });
  expect((await Promise.all(answers)).map(({ says }) => says)).toEqual(['done', 'done', 'other']);
  expect(judged).toEqual(['a', 'b']);
});

test.each([
  ['that may be given again is given again', 'wrong', ['wrong', 'wrong']],
  ['that may not be given again is followed by another', 'done', ['done', 'used']],
])('an answer %s', async (_, says, expected) => {
  const { judge } = setUp();
  const first = await judge('a', Promise.resolve({ says }));
  const second = await judge('a', Promise.resolve({ says: 'used' }));
  expect([first.says, second.says]).toEqual(expected);
});

test('a form is judged again if its judgement failed', async () => {
  const { judge } = setUp();
  await expect(judge('a', Promise.reject(new Error('Redis is away')))).rejects.toThrow('away');
  await new Promise((resolve) => setTimeout(resolve));
  expect(await judge('a', Promise.resolve({ says: 'done' }))).toEqual({ says: 'done' });
});
