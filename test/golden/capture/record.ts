/**
 * Records the golden bytes anew: starts Apache Kafka behind the proxy, runs each client against it, and writes a few
 * small exchanges per API and version to `fixtures/`. Run by hand when a client's version changes:
 *
 *   node --import tsx test/golden/capture/record.ts && npm run format
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installJava, installKcat, installPython, listJars } from '../../compat/lib/install.ts'
import { endedWithin, run } from '../../compat/lib/process.ts'
import { formatKafka, startKafka } from '../../compat/lib/reference-kafka.ts'
import type { Exchange, Fixture } from '../fixture.ts'
import { startProxy } from './proxy.mjs'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const clientLimitMs = 120_000
const exchangeBytesMax = 3_000
/** Produce and Fetch carry every kind of batch; of the others the smallest and the largest answer show all there is. */
const keepPerVersion = (api: number): number => (api <= 1 ? 6 : 2)

const size = (exchange: Exchange): number => (exchange.request.length + (exchange.response?.length ?? 0)) / 2

/** Spread over the sizes seen, since two exchanges of one size nearly always have one shape. */
const select = (exchanges: readonly Exchange[]): Exchange[] => {
  const byVersion = new Map<string, Map<number, Exchange>>()
  for (const exchange of exchanges) {
    if (size(exchange) > exchangeBytesMax) continue
    const version = `${exchange.api} ${exchange.version}`
    const bySize = byVersion.get(version) ?? new Map<number, Exchange>()
    byVersion.set(version, bySize)
    if (!bySize.has(size(exchange))) bySize.set(size(exchange), exchange)
  }
  const selected: Exchange[] = []
  for (const bySize of byVersion.values()) {
    const sorted = [...bySize.values()].sort((a, b) => size(a) - size(b))
    const keep = Math.min(sorted.length, keepPerVersion(sorted[0]?.api ?? 0))
    for (let i = 0; i < keep; i++) {
      const exchange = sorted[keep === 1 ? 0 : Math.round((i * (sorted.length - 1)) / (keep - 1))]
      if (exchange !== undefined) selected.push(exchange)
    }
  }
  return selected.sort((a, b) => a.api - b.api || a.version - b.version || size(a) - size(b))
}

const jarVersion = async (jar: string): Promise<string> => {
  for (const name of await listJars('broker')) {
    const match = new RegExp(`^${jar}-(\\d[\\d.]*)\\.jar$`).exec(name)
    if (match?.[1] !== undefined) return match[1]
  }
  throw new Error(`no ${jar} among the jars`)
}

const dataDir = await mkdtemp(join(tmpdir(), 'millrace-golden-'))
let exchanges: Exchange[] = []
// The proxy has to listen before Kafka's configuration can name its port, and learns Kafka's port afterwards.
const broker = { host: '127.0.0.1', port: 0 }
const proxy = await startProxy({ port: 0, broker, onExchange: (exchange: Exchange) => exchanges.push(exchange) })
const bootstrap = `127.0.0.1:${proxy.port}`
broker.port = await formatKafka(dataDir, { 'advertised.listeners': `PLAINTEXT://${bootstrap}` })
const kafka = await startKafka(dataDir)

const capture = async (client: string, version: string, act: () => Promise<unknown>): Promise<void> => {
  exchanges = []
  await act()
  const selected = select(exchanges)
  const fixture: Fixture = {
    client,
    version,
    broker: `Apache Kafka ${await jarVersion('kafka_2.13')}`,
    exchanges: selected,
  }
  const head = JSON.stringify({ ...fixture, exchanges: undefined }).slice(0, -1)
  const lines = selected.map(exchange => JSON.stringify(exchange)).join(',\n')
  await writeFile(here(`../fixtures/${client}-${version}.json`), `${head},"exchanges":[\n${lines}\n]}\n`)
  const versions = new Set(selected.map(exchange => `${exchange.api} ${exchange.version}`))
  console.log(
    `${client} ${version}: ${exchanges.length} exchanges, kept ${selected.length} of ${versions.size} API versions`,
  )
}

try {
  const kcat = await installKcat()
  const kcatVersion = /Version (\S+)/.exec((await run(kcat, ['-V'], { timeoutMs: clientLimitMs })).stdout)?.[1] ?? ''
  const lines = join(dataDir, 'lines.txt')
  await writeFile(lines, 'one\ntwo\nthree\n')
  await capture('kcat', kcatVersion, async () => {
    const topic = ['-b', bootstrap, '-t', 'golden-kcat']
    await run(kcat, ['-b', bootstrap, '-L'], { timeoutMs: clientLimitMs })
    await run(kcat, [...topic, '-P', '-l', lines], { timeoutMs: clientLimitMs })
    await run(kcat, [...topic, '-P', '-z', 'lz4', '-l', lines], { timeoutMs: clientLimitMs })
    await run(kcat, [...topic, '-C', '-o', 'beginning', '-e'], { timeoutMs: clientLimitMs })
    await run(kcat, ['-b', bootstrap, '-Q', '-t', 'golden-kcat:0:1600000000000'], { timeoutMs: clientLimitMs })
  })

  const python = await installPython()
  const requirement = await readFile(here('../../compat/python/requirements.txt'), 'utf8')
  await capture('confluent-kafka-python', requirement.split('==')[1]?.trim() ?? '', () =>
    run(python, [here('clients/confluent.py'), bootstrap], { timeoutMs: clientLimitMs }),
  )

  const kafkajsManifest = JSON.parse(await readFile(here('../../../node_modules/kafkajs/package.json'), 'utf8'))
  const kafkajs = ['--import', 'tsx', here('clients/kafkajs.ts'), bootstrap]
  const quiet = { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1' }
  await capture('kafkajs', String(kafkajsManifest.version), () =>
    run(process.execPath, kafkajs, { timeoutMs: clientLimitMs, env: quiet }),
  )

  const java = await installJava('broker', 256)
  await capture('kafka-clients-java', await jarVersion('kafka-clients'), () =>
    run('java', [...java, here('clients/JavaClients.java'), bootstrap], { timeoutMs: clientLimitMs }),
  )
} finally {
  kafka.child.kill('SIGTERM')
  await endedWithin(kafka.child, 30_000)
  proxy.close()
  await rm(dataDir, { recursive: true, force: true })
}
