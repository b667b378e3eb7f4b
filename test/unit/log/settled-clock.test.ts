import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SettledClock } from '../../../src/log/settled-clock.ts'
import { VirtualTime } from '../../support/virtual-time.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const yearMs = 365 * 24 * hourMs

const settled = () => {
  const time = new VirtualTime()
  const jumps: number[] = []
  return { time, jumps, clock: new SettledClock(time, aheadMs => jumps.push(aheadMs)) }
}

test('a clock that goes as it should is believed, and so is one that is set by a little', async () => {
  const { time, jumps, clock } = settled()
  for (let n = 0; n < 10; n++) {
    await time.advance(10 * minuteMs)
    time.jumpWall(n % 2 === 0 ? 4 * minuteMs : -3 * minuteMs)
    assert.equal(clock.nowMs(), time.wallMs())
  }
  assert.deepEqual(jumps, [])
})

for (const aheadMs of [hourMs, yearMs])
  test(`a jump by ${aheadMs / hourMs} hours that ends within one is never seen`, async () => {
    const { time, jumps, clock } = settled()
    const startMs = clock.nowMs()
    time.jumpWall(aheadMs)
    for (let passedMs = 0; passedMs < hourMs; passedMs += 5 * minuteMs) {
      assert.equal(clock.nowMs(), startMs + passedMs)
      await time.advance(5 * minuteMs)
    }
    time.jumpWall(-aheadMs)
    assert.equal(clock.nowMs(), startMs + hourMs)
    assert.deepEqual(jumps, [aheadMs])
  })

test('one that lasts is the time, and the next is doubted again', async () => {
  const { time, jumps, clock } = settled()
  for (let jump = 1; jump <= 2; jump++) {
    time.jumpWall(yearMs)
    assert.equal(clock.nowMs(), time.wallMs() - yearMs)
    await time.advance(hourMs)
    assert.equal(clock.nowMs(), time.wallMs())
    assert.equal(jumps.length, jump)
  }
})

test('going back is believed at once, and the way forward again is a jump', async () => {
  const { time, clock } = settled()
  time.jumpWall(-yearMs)
  assert.equal(clock.nowMs(), time.wallMs())
  await time.advance(minuteMs)
  time.jumpWall(yearMs)
  assert.equal(clock.nowMs(), time.wallMs() - yearMs)
  await time.advance(hourMs)
  assert.equal(clock.nowMs(), time.wallMs())
})
