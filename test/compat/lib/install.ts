import { createHash } from 'node:crypto'
import { access, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './process.ts'

/** Foreign clients live outside the clone, by the hash of what asks for them, so that a fresh clone finds them again. */
const cacheRoot = process.env.MILLRACE_CACHE ?? join(homedir(), '.cache', 'millrace')
export const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
export const installLimitMs = 300_000

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/**
 * Fills a directory named after the recipes' content once. Building goes on beside it and a rename publishes it, so an
 * interrupted install leaves nothing that looks finished; of two installs at once, the first to finish wins.
 */
export const installed = async (
  name: string,
  recipes: string | readonly string[],
  fill: (dir: string) => Promise<void>,
): Promise<string> => {
  const hash = createHash('sha256')
  for (const recipe of [recipes].flat()) hash.update(await readFile(recipe))
  const dir = join(cacheRoot, `${name}-${hash.digest('hex').slice(0, 12)}`)
  if (await exists(dir)) return dir
  const building = `${dir}.building-${process.pid}`
  await rm(building, { recursive: true, force: true })
  await mkdir(building, { recursive: true })
  console.log(`installing ${name} into ${dir}`)
  await fill(building)
  await rename(building, dir).catch(async (error: NodeJS.ErrnoException) => {
    await rm(building, { recursive: true, force: true })
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  })
  return dir
}

const runs = (command: string, ...args: string[]): Promise<boolean> =>
  run(command, args, { timeoutMs: 30_000 }).then(
    () => true,
    () => false,
  )

/** Takes a program from the distribution where the machine lacks it; `probe` ends with 0 where it is there. */
export const ensure = async (debianPackage: string, command: string, ...probe: string[]): Promise<string> => {
  if (await runs(command, ...probe)) return command
  console.log(`installing ${debianPackage} with apt-get`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-q'], { timeoutMs: installLimitMs, env })
  await run('apt-get', ['install', '-q', '-y', debianPackage], { timeoutMs: installLimitMs, env })
  return command
}

export const installKcat = (): Promise<string> => ensure('kcat', 'kcat', '-V')

/** The path of a Python that imports what `requirements` asks for; by default the newest of each client. */
export const installPython = async (name = 'requirements'): Promise<string> => {
  const requirements = here(`drivers/python/${name}.txt`)
  // A virtual environment names its own place in its scripts; the interpreter itself may be moved, and is all we use.
  const dir = await installed('python', requirements, async building => {
    await ensure('python3-venv', 'python3', '-c', 'import ensurepip, venv')
    await run('python3', ['-m', 'venv', building], { timeoutMs: installLimitMs })
    const python = join(building, 'bin', 'python')
    await run(python, ['-m', 'pip', 'install', '-q', '-r', requirements], { timeoutMs: installLimitMs })
  })
  return join(dir, 'bin', 'python')
}

const installJars = async (name: string): Promise<string> => {
  const pom = here(`maven/${name}.pom.xml`)
  const dir = await installed(`maven-${name}`, pom, async building => {
    await copyFile(pom, join(building, 'pom.xml'))
    await ensure('maven', 'mvn', '-v')
    const args = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${join(building, 'lib')}`]
    await run('mvn', args, { timeoutMs: installLimitMs, cwd: building })
    // Nothing reads what Kafka logs unless it goes wrong, but for the line which says that the node serves.
    const appender = 'appender.err.type=Console\nappender.err.name=err\nappender.err.target=SYSTEM_ERR\n'
    const layout = 'appender.err.layout.type=PatternLayout\nappender.err.layout.pattern=%d %p %c %m%n\n'
    const root = 'rootLogger.level=ERROR\nrootLogger.appenderRef.err.ref=err\n'
    const server = 'logger.server.name=kafka.server.KafkaRaftServer\nlogger.server.level=INFO\n'
    await writeFile(join(building, 'log4j2.properties'), appender + layout + root + server)
  })
  return dir
}

/** The arguments of `java` that come before the name of a main class of the given set of jars. */
export const installJava = async (name: 'tools' | 'broker' | 'streams', heapMb: number): Promise<string[]> => {
  await ensure('default-jre-headless', 'java', '-version')
  const dir = await installJars(name)
  const log4j = `-Dlog4j2.configurationFile=${join(dir, 'log4j2.properties')}`
  return [`-Xmx${heapMb}m`, log4j, '-cp', join(dir, 'lib', '*')]
}

export const listJars = async (name: 'tools' | 'broker'): Promise<string[]> =>
  readdir(join(await installJars(name), 'lib'))

/** The directory that holds the packages which the lock file of `folder` names, as they are after `finish`. */
export const installPackages = async (
  name: string,
  folder: string,
  finish: (dir: string) => Promise<void> = async () => undefined,
): Promise<string> => {
  const lock = here(`${folder}/package-lock.json`)
  return installed(name, lock, async building => {
    await copyFile(lock, join(building, 'package-lock.json'))
    await copyFile(here(`${folder}/package.json`), join(building, 'package.json'))
    // Some are for another Node than the one that runs npm; that of this project may insist on its own.
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--engine-strict=false']
    await run('npm', args, { timeoutMs: installLimitMs, cwd: building })
    await finish(building)
  })
}

/** A `require` that finds the codecs which kafkajs leaves to its user. */
export const installCodecs = async (): Promise<NodeJS.Require> =>
  createRequire(join(await installPackages('codecs', 'codecs'), 'package.json'))
