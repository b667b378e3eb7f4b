import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterImage, type TopicImage } from '../../../src/metadata/image.ts'
import type { Uuid } from '../../../src/protocol/index.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const idOf = (number: number): Uuid => Buffer.alloc(16, number % 251).toString('base64url') as Uuid
const topic = (name: string, id = idOf(1)): TopicImage => ({ name, id, partitions: [], configs: {} })

test('names come in order from any place, whatever was added and removed between', () => {
  const random = new SeededRandom(7)
  const image = new ClusterImage()
  const model = new Map<string, TopicImage>()
  for (let step = 0; step < 3_000; step++) {
    const name = `${'aZé_.'[random.below(5)]!}${random.below(200)}`
    const known = model.get(name)
    if (known === undefined) {
      model.set(name, topic(name, idOf(step)))
      image.put(model.get(name)!)
    } else if (random.below(2) === 0) {
      image.remove(known)
      model.delete(name)
    }
    if (random.below(20) !== 0) continue
    const from = `${'aZé_.'[random.below(5)]!}${random.below(200)}`
    const expected = [...model.keys()].sort().filter(each => each >= from)
    assert.deepEqual(image.namesFrom(from, 5), expected.slice(0, 5))
  }
  assert.deepEqual(image.namesFrom('', 1_000), [...model.keys()].sort())
})

test('a topic of the same name and another id takes its place by name and by id', () => {
  const image = new ClusterImage()
  const [first, second] = [topic('t', idOf(1)), topic('t', idOf(2))]
  image.put(first)
  image.put(second)
  assert.equal(image.topic('t'), second)
  assert.equal(image.topicById(first.id), undefined)
  image.remove(first)
  assert.equal(image.topic('t'), second, 'the removal of the old one does not take the new one')
  image.remove(second)
  assert.equal(image.topic('t'), undefined)
  assert.deepEqual(image.namesFrom('', 9), [])
})

test('a name collides with one that differs in dots and underscores alone, until that one goes', () => {
  const image = new ClusterImage()
  image.put(topic('a.b', idOf(1)))
  assert.equal(image.collision('a_b'), 'a.b')
  assert.equal(image.collision('a.b'), undefined)
  assert.equal(image.collision('ab'), undefined)
  image.remove(image.topic('a.b')!)
  assert.equal(image.collision('a_b'), undefined)
})
