/**
 * A Buffer over memory that somebody else owns. `Buffer.from(buffer, position, length)` gives the same, at twice the cost,
 * since it looks at all forms of its arguments first; a plain Uint8Array has no `toString` that anybody wants.
 */
class LentBuffer extends Uint8Array {}
Object.setPrototypeOf(LentBuffer.prototype, Buffer.prototype)

/** A Buffer over `length` bytes of `memory` from `position` on. */
export const lend: (memory: ArrayBufferLike, position: number, length: number) => Buffer = Buffer.isBuffer(
  new LentBuffer(0),
)
  ? (memory, position, length) => new LentBuffer(memory as ArrayBuffer, position, length) as unknown as Buffer
  : (memory, position, length) => Buffer.from(memory as ArrayBuffer, position, length)
