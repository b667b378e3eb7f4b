import { ProducerSnapshot } from '../../src/log/producer-snapshot.ts'
import type { ProducerStates } from '../../src/log/producer-state.ts'

export const encodedSnapshot = (producers: ProducerStates): Promise<Uint8Array> =>
  new ProducerSnapshot(producers).encoded(() => Promise.resolve())
