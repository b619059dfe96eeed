package stock;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Handlers for the managed runtime. */
public class Managed implements RequestHandler<Map<String, Object>, String> {
    @Override
    public String handleRequest(Map<String, Object> event, Context context) {
        return "";
    }

    /** What a function sees of its surroundings. */
    public Map<String, String> facts(Map<String, Object> event, Context context) {
        context.getLogger().log("logged");
        Map<String, String> facts = new TreeMap<>();
        facts.put("event", event.toString());
        facts.put("name", context.getFunctionName());
        facts.put("home", System.getProperty("user.dir"));
        facts.put("environment", System.getenv("AWS_EXECUTION_ENV"));
        facts.put("told", System.getProperty("told"));
        facts.put("heap_megabytes", String.valueOf((Runtime.getRuntime().maxMemory() + 1048575) / 1048576));
        String collector = ManagementFactory.getGarbageCollectorMXBeans().get(0).getName();
        facts.put("collector", collector.substring(0, 2));
        facts.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        facts.put("own_file_in_tmp", String.valueOf(Files.exists(Path.of("/tmp/.libaws-lambda-jni.so"))));
        return facts;
    }

    public String fail(Map<String, Object> event) {
        throw new IllegalStateException("told to fail");
    }
}
