/** Brings the drivers' clients to the cache, by the usual client of their registry, and builds what has to be built. */
import { existsSync, realpathSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensure, here, installed, installLimitMs, installPackages, installPython } from './install.ts'
import { run } from './process.ts'

/** How a driver is started; the broker's address follows `args`, and `installation` that, where there is one. */
export interface DriverCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly installation?: string
}

const buildLimitMs = 480_000
const heapMb = 128
/** The programs of drivers/go, each with the package that it speaks through. */
const goPrograms = {
  franz: 'wire',
  sarama: 'wire',
  'franz-members': 'members',
  'sarama-members': 'members',
  'franz-transactions': 'wire',
} as const

/** All that compiles against the newest version: its driver and its members share a place. */
export const newestJava = ['4.4.0', ['AdminSince28', 'AdminSince41', 'AdminGroups', 'Members', 'Transactions']] as const

/** `classes` are those of drivers/java that compile against this version. */
export const installJavaDriver = async (
  version: string,
  classes: readonly string[],
  main = 'Driver',
): Promise<DriverCommand> => {
  const pom = here('drivers/java/pom.xml')
  const sources = ['Driver', 'AdminCalls', ...classes].map(name => here(`drivers/java/${name}.java`))
  const dir = await installed(`java-client-${version}`, [pom, ...sources], async building => {
    await ensure('default-jdk-headless', 'javac', '-version')
    await ensure('maven', 'mvn', '-v')
    await copyFile(pom, join(building, 'pom.xml'))
    const copy = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${join(building, 'lib')}`]
    await run('mvn', [...copy, `-Dkafka.version=${version}`], { timeoutMs: installLimitMs, cwd: building })
    const compile = ['-nowarn', '-cp', join(building, 'lib', '*'), '-d', join(building, 'classes'), ...sources]
    await run('javac', compile, { timeoutMs: installLimitMs })
  })
  const path = `${join(dir, 'classes')}:${join(dir, 'lib', '*')}`
  return {
    command: 'java',
    args: [`-Xmx${heapMb}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', path, main],
  }
}

export const installGoDriver = async (
  program: keyof typeof goPrograms,
  modFile: 'go.mod' | 'go.old.mod',
): Promise<DriverCommand> => {
  const source = here('drivers/go')
  const sums = modFile.replace('.mod', '.sum')
  const speaker = goPrograms[program]
  const recipes = [modFile, sums, `${speaker}/${speaker}.go`, `${program}/main.go`].map(file => join(source, file))
  const dir = await installed(`${program}-${modFile}`, recipes, async building => {
    await ensure('golang-go', 'go', 'version')
    const args = ['build', '-buildvcs=false', `-modfile=${modFile}`, '-o', join(building, program), `./${program}`]
    await run('go', args, { timeoutMs: installLimitMs, cwd: source })
  })
  return { command: join(dir, program), args: [] }
}

/** The tests that franz-go's module carries, as a program. */
export const installFranzGoTests = async (): Promise<string> => {
  const source = here('drivers/go')
  const recipes = ['go.mod', 'go.sum'].map(file => join(source, file))
  const dir = await installed('franz-go-tests', recipes, async building => {
    await ensure('golang-go', 'go', 'version')
    const args = ['test', '-c', '-modfile=go.mod', '-o', join(building, 'kgo.test'), 'github.com/twmb/franz-go/pkg/kgo']
    await run('go', args, { timeoutMs: installLimitMs, cwd: source })
  })
  return join(dir, 'kgo.test')
}

export const installPythonDriver = async (driver: string, requirements: string): Promise<DriverCommand> => ({
  command: await installPython(requirements),
  args: [here(`drivers/python/${driver}.py`)],
})

/** One that runs on this Node. */
export const installNodeDriver = async (driver: string, folder = driver): Promise<DriverCommand> => ({
  command: process.execPath,
  args: [here(`drivers/node/${driver}.mjs`)],
  installation: await installPackages(`node-${folder}`, `drivers/node/${folder}`),
})

/** @platformatic/kafka asks for a newer Node than ours, which comes as a package. */
export const installPlatformaticDriver = async (): Promise<DriverCommand> => {
  const driver = await installNodeDriver('platformatic')
  const node = `node-linux-${process.arch}`
  return { ...driver, command: join(driver.installation ?? '', 'node_modules', node, 'bin', 'node') }
}

const hasDebianPackages = async (...names: string[]): Promise<void> => {
  for (const name of names) await ensure(name, 'dpkg', '-s', name)
}

/** Node's headers where they lie beside its executable; elsewhere node-gyp finds them its own way. */
const nodeHeaders = (): string[] => {
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  return existsSync(join(prefix, 'include/node/node_version.h')) ? [`--nodedir=${prefix}`] : []
}

/**
 * The package downloads a binary; we build it, for this Node's ABI. make goes through its rules one by one: they do not
 * tell which needs the other's files.
 */
export const installConfluentJavascriptDriver = async (): Promise<DriverCommand> => {
  const name = `node-confluent-${process.versions.modules}`
  const installation = await installPackages(name, 'drivers/node/confluent', async building => {
    await hasDebianPackages('libssl-dev', 'zlib1g-dev', 'libzstd-dev')
    const nodeGyp = fileURLToPath(new URL('../../../node_modules/node-gyp/bin/node-gyp.js', import.meta.url))
    const env = { ...process.env, CKJS_LINKING: 'dynamic' }
    const cwd = join(building, 'node_modules/@confluentinc/kafka-javascript')
    await run(process.execPath, [nodeGyp, 'rebuild', ...nodeHeaders()], { timeoutMs: buildLimitMs, cwd, env })
  })
  return { command: process.execPath, args: [here('drivers/node/confluent.mjs')], installation }
}
