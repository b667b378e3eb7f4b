import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Started } from './broker.ts'
import { installJava } from './install.ts'
import { run } from './process.ts'
import { ProcessLog } from './process-log.ts'

const defaultHeapMb = 512
const startLimitMs = 60_000

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

/** Prepares `dataDir` for a single Kafka node on the loopback and returns the port that it will listen on. */
export const formatKafka = async (dataDir: string, config: Readonly<Record<string, string>>): Promise<number> => {
  const port = await freePort()
  const controllerPort = await freePort()
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': join(dataDir, 'logs'),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'log.segment.delete.delay.ms': '100',
    ...config,
  }
  const properties = join(dataDir, 'server.properties')
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
  await writeFile(properties, lines.join(''))
  const java = await installJava('broker', defaultHeapMb)
  // Whatever else it is, it may not begin with a dash: the tool would take it for an option.
  const clusterId = Buffer.concat([Buffer.of(0), randomBytes(15)]).toString('base64url')
  const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties]
  await run('java', [...java, ...format], { timeoutMs: startLimitMs })
  return port
}

/** Starts the node that `formatKafka` prepared; it serves once its port accepts a connection. */
export const startKafka = async (dataDir: string, heapMb = defaultHeapMb): Promise<Started> => {
  const properties = join(dataDir, 'server.properties')
  const match = /^listeners=PLAINTEXT:\/\/([^:]+):(\d+)/m.exec(await readFile(properties, 'utf8'))
  if (match === null) throw new Error(`no listener in ${properties}`)
  const java = await installJava('broker', heapMb)
  const child = spawn('java', [...java, 'kafka.Kafka', properties], { stdio: ['ignore', 'pipe', 'pipe'] })
  const log = new ProcessLog(child.stdout, child.stderr)
  try {
    await log.until(line => line.includes('Kafka Server started'), startLimitMs)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return { child, host: match[1] ?? '', port: Number(match[2]), log }
}
