/** Java's hash of a string: over its UTF-16 code units. */
export function javaHash(text: string): number {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
  return hash
}

/** The partition of a coordinator's topic that a key belongs to. As in Kafka, the smallest hash counts as 0. */
export function partitionOfKey(key: string, partitions: number): number {
  const hash = javaHash(key)
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitions
}
