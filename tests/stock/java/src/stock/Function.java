package stock;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** What every stock function of these tests does, behind the stock runtime client. */
public class Function {
    public Function() {
        if ("fail".equals(System.getenv("INIT"))) {
            throw new IllegalStateException("told to fail at init");
        }
    }

    /** Receives the event's bytes as they came. */
    public void handle(InputStream input, OutputStream output, Context context) throws IOException {
        String event = new String(input.readAllBytes(), StandardCharsets.UTF_8);
        String answer;
        if (event.contains("\"path\":\"/hello\"")) {
            answer = answer("text/plain", "Hello from java " + context.getFunctionName());
        } else if (event.contains("\"path\":\"/fail\"")) {
            throw new IllegalArgumentException("told to fail");
        } else {
            answer = answer("application/json", event);
        }
        output.write(answer.getBytes(StandardCharsets.UTF_8));
    }

    private static String answer(String contentType, String body) {
        // A document has no control characters, so these two are all there is to escape.
        String escaped = body.replace("\\", "\\\\").replace("\"", "\\\"");
        return String.format(
            "{\"statusCode\":200,\"headers\":{\"content-type\":\"%1$s\"},\"multiValueHeaders\":"
                + "{\"content-type\":[\"%1$s\"]},\"body\":\"%2$s\"}",
            contentType, escaped);
    }
}
