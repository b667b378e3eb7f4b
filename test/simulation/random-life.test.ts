import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onlyLife, seconds, seed } from './options.ts'
import { randomLife } from './random-life.ts'

const seedsPerRun = 1_000_000

test('whatever clients ask and whatever the disk does, all is as promised after each crash', {
  timeout: (seconds + 600) * 1_000,
}, async t => {
  if (onlyLife !== undefined) return await randomLife(onlyLife)
  const until = performance.now() + seconds * 1_000
  let lives = 0
  do await randomLife(seed * seedsPerRun + lives++)
  while (performance.now() < until)
  t.diagnostic(`${lives} lives from ${seed * seedsPerRun}`)
  assert.ok(lives > 0)
})
