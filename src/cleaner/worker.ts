import { MillraceError } from '../base/error.ts'
import { CleaningError, type CleaningPass, type CleanTask, type RecordCodecs } from '../native/cleaner.ts'
import type { Codec } from '../records/batch-header.ts'
import type { FoldingCodec } from '../records/folding.ts'
import type { FromThread, PassFailure, ToThread } from './protocol.ts'

/** The pass as its thread uses it. */
export type Pass = Pick<CleaningPass, 'buildMap' | 'nextGroup' | 'close'>

export interface CleaningBody {
  post(message: FromThread): void
  makePass(task: CleanTask, codecs: RecordCodecs, stop: Int32Array): Pass
  loadCodec(codec: Codec): Promise<FoldingCodec>
  /** Milliseconds, never going back; by default nothing is timed. */
  monotonicMs?(): number
}

/** A codec is used from within native code, which cannot wait until its library is loaded. */
class CodecMissing extends Error {
  readonly codec: Codec

  constructor(codec: Codec) {
    super(`the codec ${codec} is not loaded`)
    this.codec = codec
  }
}

/** What a cleaning thread does: passes, one at a time, as the decision thread asks. */
export function serveCleaning(body: CleaningBody): { onMessage(message: unknown): void } {
  const loaded = new Map<number, FoldingCodec>()
  const codecOf = (codec: number): FoldingCodec => {
    const found = loaded.get(codec)
    if (found === undefined) throw new CodecMissing(codec as Codec)
    return found
  }
  const codecs: RecordCodecs = {
    unfold: (codec, records) => codecOf(codec).unfold(records),
    fold: (codec, records) => codecOf(codec).fold(records),
  }
  let onReplaced: (go: boolean) => void = () => {}

  /** Resolves with whether the pass goes on. */
  const replace = (group: FromThread): Promise<boolean> =>
    new Promise(resolve => {
      onReplaced = resolve
      body.post(group)
    })

  const clean = async (task: CleanTask, stop: Int32Array): Promise<FromThread> => {
    const nowMs = (): number => body.monotonicMs?.() ?? 0
    const startMs = nowMs()
    const pass = body.makePass(task, codecs, stop)
    try {
      const map = pass.buildMap()
      const mapMs = nowMs() - startMs
      for (let group = pass.nextGroup(); group !== undefined; group = pass.nextGroup())
        if (!(await replace({ kind: 'group', group }))) return { kind: 'stopped' }
      return { kind: 'done', map, mapMs }
    } finally {
      pass.close()
    }
  }

  const outcomeOf = async (task: CleanTask, stop: Int32Array): Promise<FromThread> => {
    try {
      return await clean(task, stop)
    } catch (error) {
      if (error instanceof CodecMissing) return await missed(error.codec)
      if (error instanceof MillraceError && error.code === 'MILLRACE_STOPPED') return { kind: 'stopped' }
      return { kind: 'failed', failure: failureOf(error) }
    }
  }

  const missed = async (codec: Codec): Promise<FromThread> => {
    try {
      loaded.set(codec, await body.loadCodec(codec))
      return { kind: 'again' }
    } catch (error) {
      return { kind: 'failed', failure: failureOf(error) }
    }
  }

  return {
    onMessage(message) {
      const asked = message as ToThread
      if (asked.kind === 'replaced') onReplaced(asked.go)
      else void outcomeOf(asked.task, asked.stop).then(outcome => body.post(outcome))
    },
  }
}

function failureOf(error: unknown): PassFailure {
  if (!(error instanceof Error)) return { code: 'Error', message: String(error), segment: -1, position: -1 }
  const code = error instanceof MillraceError ? error.code : error.name
  const at = error instanceof CleaningError ? error : { segment: -1, position: -1 }
  return { code, message: error.message, segment: at.segment, position: at.position }
}
