import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { listJars } from '../../compat/lib/install.ts'
import type { Exchange, Fixture } from '../fixture.ts'

/** Writes what the reference Kafka answered, an exchange a line, under its version. */
export async function writeFixture(client: string, exchanges: Exchange[]): Promise<void> {
  const jar = (await listJars('broker')).find(name => name.startsWith('kafka_2.13-'))
  const version = /-(\d[\d.]*)\.jar$/.exec(jar ?? '')?.[1] ?? ''
  const fixture: Fixture = { client, version, broker: `Apache Kafka ${version}`, exchanges }
  const head = JSON.stringify({ ...fixture, exchanges: undefined }).slice(0, -1)
  const path = fileURLToPath(new URL(`../fixtures/${client}-${version}.json`, import.meta.url))
  await writeFile(path, `${head},"exchanges":[\n${exchanges.map(each => JSON.stringify(each)).join(',\n')}\n]}\n`)
}
