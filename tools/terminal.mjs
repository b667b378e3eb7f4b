// What the tools say: one line per step, and on a terminal a line that is rewritten while a step runs.
const onTerminal = process.stderr.isTTY === true

export const say = text => process.stderr.write(`${text}\n`)

export const seconds = sinceMs => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`

/**
 * A running step. `update` shows only on a terminal, so a log holds the first and the last line and nothing between;
 * `done` and `failed` leave one line behind.
 */
export function step(title) {
  const startMs = performance.now()
  const show = text => process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  const finish = text => process.stderr.write(`${onTerminal ? '\r\x1b[K' : ''}${text}\n`)
  if (onTerminal) show(`${title} …`)
  else say(`${title} …`)
  return {
    update: detail => onTerminal && show(`${title} … ${detail}`),
    done: (detail = '') => finish(`${title}: ${detail === '' ? 'done' : detail} (${seconds(startMs)})`),
    failed: (detail = '') => finish(`${title}: failed${detail === '' ? '' : `: ${detail}`} (${seconds(startMs)})`),
  }
}
