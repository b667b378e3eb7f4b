import { readdirSync, readFileSync } from 'node:fs'
import { memoryOf } from './machine.ts'

/** What the kernel says of a process. */
export interface ProcessFacts {
  /** User and system time of all threads so far. */
  readonly cpuSeconds: number
  readonly descriptors: number
  readonly mappings: number
  readonly residentMB: number
}

/** USER_HZ, which the kernel promises to programs whatever it ticks at. */
const ticksPerSecond = 100

export const cpuSecondsOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

export const mappingsOf = (pid: number): number => readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').length - 1

export const factsOf = (pid: number): ProcessFacts => ({
  cpuSeconds: cpuSecondsOf(pid),
  descriptors: descriptorsOf(pid),
  mappings: mappingsOf(pid),
  residentMB: memoryOf(pid).resident,
})
