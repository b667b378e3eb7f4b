import type { Assignment, AssignmentInput } from './assignment.ts'
import { assignRanges } from './range.ts'
import { assignUniformly } from './uniform.ts'

export type { Assignment, AssignmentInput, AssignmentMember, TopicPartitionsById } from './assignment.ts'

/**
 * Decides who is to own what. A pure function of its input: the order in which members and topics are listed changes
 * nothing. The answer has every member, and every partition of a topic with subscribers exactly once.
 */
export interface Assignor {
  readonly name: string
  assign(group: AssignmentInput): Assignment
}

const assignors: readonly Assignor[] = [
  { name: 'uniform', assign: assignUniformly },
  { name: 'range', assign: assignRanges },
]

export function assignorNamed(name: string): Assignor | undefined {
  return assignors.find(assignor => assignor.name === name)
}
