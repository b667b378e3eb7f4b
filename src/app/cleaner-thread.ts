/** The first module of a cleaner's thread. */
import { parentPort } from 'node:worker_threads'
import { serveCleaning } from '../cleaner/worker.ts'
import { CleaningPass } from '../native/cleaner.ts'
import { loadCodec } from '../records/folding.ts'

const port = parentPort
if (port === null) throw new Error('cleaner-thread runs on a thread of its own')
const served = serveCleaning({
  post: message => port.postMessage(message),
  makePass: (task, codecs, stop) => new CleaningPass(task, codecs, stop),
  loadCodec,
  monotonicMs: () => performance.now(),
})
port.on('message', (message: unknown) => served.onMessage(message))
