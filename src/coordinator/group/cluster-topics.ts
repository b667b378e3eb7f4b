import type { ClusterImage, TopicImage } from '../../metadata/image.ts'
import type { Uuid } from '../../protocol/index.ts'
import type { TopicFacts, TopicsView } from './topics-view.ts'

/** What happened to topics since groups were last told. */
export interface TopicNews {
  /** Topics that came, went or got partitions. */
  readonly changed: ReadonlySet<string>
  /** Those that went; another of the same name may be there by now. */
  readonly deleted: readonly TopicFacts[]
}

/** The cluster's topics for groups, and the news of them: what changes in one turn of the loop is told together. */
export class ClusterTopics implements TopicsView {
  private readonly image: ClusterImage
  private revision = 0
  private changed = new Set<string>()
  private deleted: TopicFacts[] = []

  /** `soon` calls what it is given in a later turn, and `tell` gets the news there. */
  constructor(image: ClusterImage, soon: (run: () => void) => void, tell: (news: TopicNews) => void) {
    this.image = image
    image.onChange((now, before) => {
      if (now?.id === before?.id && now?.partitions.length === before?.partitions.length) return
      this.revision++
      const gone = before !== undefined && now?.id !== before.id
      if (gone) this.deleted.push(factsOf(before))
      if (this.changed.size === 0)
        soon(() => {
          const { changed, deleted } = this
          this.changed = new Set()
          this.deleted = []
          tell({ changed, deleted })
        })
      this.changed.add((now ?? before)!.name)
    })
  }

  get version(): number {
    return this.revision
  }

  topic(name: string): TopicFacts | undefined {
    const topic = this.image.topic(name)
    return topic === undefined ? undefined : factsOf(topic)
  }

  topicById(id: Uuid): TopicFacts | undefined {
    const topic = this.image.topicById(id)
    return topic === undefined ? undefined : factsOf(topic)
  }

  *topics(): Generator<TopicFacts> {
    for (const topic of this.image.topics()) yield factsOf(topic)
  }
}

const factsOf = ({ name, id, partitions }: TopicImage): TopicFacts => ({ name, id, partitions: partitions.length })
