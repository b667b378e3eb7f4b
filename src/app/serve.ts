import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { MillraceError } from '../base/error.ts'
import { startBroker } from './broker.ts'
import { BrokerLogger } from './broker-logger.ts'
import { type BrokerConfig, formatEndpoint, parseEndpoint, readBrokerConfig } from './config.ts'
import { parseProperties } from './properties.ts'
import { realWorld } from './real-world.ts'

export interface ServeOptions {
  readonly 'data-dir'?: string | undefined
  readonly listen?: string[] | undefined
  readonly config?: string | undefined
  readonly X?: string[] | undefined
  readonly json?: boolean | undefined
}

/** Serves until SIGTERM or SIGINT, then stops in order. Returns whether all went well; the reason is printed if not. */
export async function runServer(options: ServeOptions): Promise<boolean> {
  const logger = new BrokerLogger()
  const stopAsked = stopSignal()
  try {
    const { config, ignored } = readBrokerConfig(gather(options))
    if (ignored.length > 0) logger.warn({ names: ignored }, 'these configs have no effect on this broker')
    const world = realWorld({ awakeMs: awakeMs(config) })
    const broker = await startBroker(config, world, logger)
    const readyMs = Math.round(world.sinceExecMs())
    const listen = broker.endpoints.map(formatEndpoint)
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ ready: true, readyMs, listen, dataDirectory: broker.dataDirectory })}\n`
        : `millrace ready in ${readyMs} ms on ${listen.join(', ')} (data ${broker.dataDirectory})\n`,
    )
    await logger.open()
    await stopAsked
    await broker.stop()
    logger.info({}, 'stopped')
    return true
  } catch (error) {
    await logger.open()
    if (error instanceof MillraceError) process.stderr.write(`millrace: ${error.message}\n`)
    else process.stderr.write(`millrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return false
  }
}

/**
 * All processors are kept awake together, which is in proportion where they are so few that a busy broker uses most of
 * them: there 2 ms cover a sync and what its answer brings next.
 */
function awakeMs({ processorsAwakeMs }: BrokerConfig): number {
  if (processorsAwakeMs >= 0) return processorsAwakeMs
  return cpus().length <= 4 ? 2 : 0
}

/** File, then `-X`, then the options that have names of their own. */
function gather(options: ServeOptions): Map<string, string> {
  const given = options.config === undefined ? new Map<string, string>() : readConfigFile(options.config)
  for (const each of options.X ?? []) {
    const at = each.indexOf('=')
    if (at <= 0) throw new MillraceError('INVALID_CONFIG', `-X takes NAME=VALUE, and was given ${each}.`)
    given.set(each.slice(0, at).trim(), each.slice(at + 1).trim())
  }
  if (options['data-dir'] !== undefined) given.set('log.dirs', options['data-dir'])
  if (options.listen !== undefined) {
    const listeners = options.listen.map(each => `PLAINTEXT://${formatEndpoint(parseEndpoint('--listen', each))}`)
    given.set('listeners', listeners.join(','))
  }
  return given
}

function readConfigFile(path: string): Map<string, string> {
  try {
    return parseProperties(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new MillraceError('INVALID_CONFIG', `The configuration file ${path} cannot be read: ${String(cause)}.`, {
      cause,
    })
  }
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once, as a kill would. */
function stopSignal(): Promise<void> {
  return new Promise(resolve => {
    let asked = false
    const onSignal = () => {
      if (asked) process.exit(1)
      asked = true
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
