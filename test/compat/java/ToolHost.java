// Kafka's own command line tools in one JVM, for group-tools.suite.ts: a line of JSON names a main class and its arguments,
// the answer has what it printed and the code that it would have ended with.
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.utils.Exit;

public class ToolHost {
  static class Ended extends RuntimeException {
    final int code;

    Ended(int code, String message) {
      super(message);
      this.code = code;
    }

    // Some tools catch all that is thrown, this too, and print it before they end once more.
    @Override
    public void printStackTrace(PrintWriter out) {}

    @Override
    public void printStackTrace(PrintStream out) {}
  }

  /** What the tool ended with first. */
  static Ended ended;

  static final ObjectMapper JSON = new ObjectMapper();

  static void end(int code, String message) {
    var end = new Ended(code, message);
    if (ended == null) ended = end;
    throw end;
  }

  static int run(String mainClass, String[] args) throws Exception {
    ended = null;
    try {
      Class.forName(mainClass).getMethod("main", String[].class).invoke(null, (Object) args);
      return 0;
    } catch (InvocationTargetException e) {
      if (ended != null) {
        if (ended.getMessage() != null) System.err.println(ended.getMessage());
        return ended.code;
      }
      e.getCause().printStackTrace();
      return 1;
    }
  }

  public static void main(String[] args) throws Exception {
    var answers = System.out;
    Exit.setExitProcedure(ToolHost::end);
    Exit.setHaltProcedure(ToolHost::end);
    Exit.setShutdownHookAdder((name, hook) -> {});
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      var command = JSON.readTree(line).get("args");
      var toolArgs = new ArrayList<String>();
      command.get("args").forEach(arg -> toolArgs.add(arg.asText()));
      var out = new ByteArrayOutputStream();
      var err = new ByteArrayOutputStream();
      System.setOut(new PrintStream(out, true));
      System.setErr(new PrintStream(err, true));
      int code = run(command.get("main").asText(), toolArgs.toArray(String[]::new));
      answers.println(JSON.writeValueAsString(Map.of("result", Map.of("code", code, "stdout", out.toString(), "stderr", err.toString()))));
    }
    System.exit(0);
  }
}
