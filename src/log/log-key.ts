/** Which partition's log. */
export interface LogKey {
  topic: string
  topicId: string
  partition: number
}

/** Of the directory that its files are in, and in the checkpoints. */
export const directoryName = (key: { topic: string; partition: number }): string => `${key.topic}-${key.partition}`
