import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TransactionLife } from './transaction-life.ts'

test('random lives: after any crash the same transactions are open, the same aborted, and as much is stable', async () => {
  let starts = 0
  let aborts = 0
  for (let seed = 1; seed <= 60; seed++) {
    const life = new TransactionLife(seed)
    try {
      await life.run(120)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
    starts += life.starts
    aborts += life.aborts
  }
  assert.ok(starts > 120, `${starts} starts`)
  assert.ok(aborts > 120, `${aborts} aborted transactions`)
})
