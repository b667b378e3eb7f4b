/** Whether a response has so few array elements, at any depth, that encoding it is not worth slicing. */
export function hasFewElements(answer: unknown): boolean {
  return elementsLeft(answer, fewElements) >= 0
}

const fewElements = 64

/** What is left of `room` after the elements of `value`; negative: there are more. Looks at no more of them than that. */
function elementsLeft(value: unknown, room: number): number {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return room
  if (Array.isArray(value)) {
    let left = room - value.length
    for (let at = 0; at < value.length && left >= 0; at++) left = elementsLeft(value[at], left)
    return left
  }
  let left = room
  for (const key in value) {
    left = elementsLeft((value as Record<string, unknown>)[key], left)
    if (left < 0) break
  }
  return left
}
