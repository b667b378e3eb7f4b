import java.nio.file.Path;
import java.util.SplittableRandom;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * One task of the bench of logs on Chronicle Queue: DIRECTORY TASK SECONDS RECORD_BYTES RECORDS. Prints how many records
 * it took and in how many seconds, as JSON. Warmed up for as long as it is measured, which a JVM needs.
 */
final class Chronicle {
  private static long taken;
  /** So that no compiler leaves out what was read. */
  private static volatile long checked;

  public static void main(String[] arguments) throws Exception {
    String task = arguments[1];
    double seconds = Double.parseDouble(arguments[2]);
    byte[] value = new byte[Integer.parseInt(arguments[3])];
    int records = Integer.parseInt(arguments[4]);
    for (int at = 0; at < value.length; at++) value[at] = (byte) (at * 31);
    try (ChronicleQueue queue = ChronicleQueue.single(Path.of(arguments[0]).toString())) {
      ExcerptAppender appender = queue.createAppender();
      Bytes<?> from = Bytes.wrapForRead(value);
      long[] indices = new long[task.startsWith("append") ? 0 : records];
      for (int at = 0; at < indices.length; at++) {
        append(appender, from);
        indices[at] = appender.lastIndexAppended();
      }
      Runnable work = work(task, queue, appender, from, indices);
      measure(work, seconds);
      taken = 0;
      double took = measure(work, seconds);
      System.out.printf("{\"records\": %d, \"seconds\": %f}%n", taken, took);
    }
  }

  private static double measure(Runnable work, double seconds) {
    long began = System.nanoTime();
    double took;
    do {
      work.run();
      took = (System.nanoTime() - began) / 1e9;
    } while (took < seconds);
    return took;
  }

  private static void append(ExcerptAppender appender, Bytes<?> from) {
    from.readPosition(0);
    appender.writeBytes(from);
  }

  /** Some thousand records of the task. */
  private static Runnable work(
      String task, ChronicleQueue queue, ExcerptAppender appender, Bytes<?> from, long[] indices) {
    Bytes<?> into = Bytes.allocateElasticDirect();
    switch (task) {
      case "append-one":
      case "append-batch":
        return () -> {
          for (int left = 4096; left > 0; left--) append(appender, from);
          taken += 4096;
        };
      case "scan-in-place":
        return () -> {
          ExcerptTailer tailer = queue.createTailer().toStart();
          long first = 0;
          for (int left = indices.length; left > 0; left--) {
            try (DocumentContext document = tailer.readingDocument()) {
              if (!document.isPresent()) throw new IllegalStateException("a record is missing");
              first += document.wire().bytes().readByte();
            }
          }
          checked += first;
          taken += indices.length;
        };
      case "scan-copies":
        return () -> {
          ExcerptTailer tailer = queue.createTailer().toStart();
          for (int left = indices.length; left > 0; left--) {
            into.clear();
            if (!tailer.readBytes(into)) throw new IllegalStateException("a record is missing");
          }
          taken += indices.length;
        };
      case "random":
        ExcerptTailer tailer = queue.createTailer();
        SplittableRandom random = new SplittableRandom(1);
        return () -> {
          for (int left = 1024; left > 0; left--) {
            into.clear();
            if (!tailer.moveToIndex(indices[random.nextInt(indices.length)]) || !tailer.readBytes(into))
              throw new IllegalStateException("a record is missing");
          }
          taken += 1024;
        };
      default:
        throw new IllegalArgumentException(task);
    }
  }
}
