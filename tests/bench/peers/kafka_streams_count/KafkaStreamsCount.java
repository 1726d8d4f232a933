import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/**
 * Kafka Streams: decode each record to a tree and count those of each key, in a store with a changelog, at least once. Its
 * defaults: RocksDB with a cache in front, a commit every 30 s, one thread. Asked and answers as task.py says.
 */
public final class KafkaStreamsCount {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final long warm;
    private final long last;
    private final CountDownLatch reached = new CountDownLatch(1);
    private long events;
    private long began;

    private KafkaStreamsCount(long warm, long until) {
        this.warm = warm;
        this.last = until - 1;
    }

    /** Starts the clock at the first record that counts, and asks for a commit at the last. */
    private final class Clock extends ContextualFixedKeyProcessor<String, JsonNode, JsonNode> {
        @Override
        public void process(FixedKeyRecord<String, JsonNode> record) {
            long offset = context().recordMetadata().orElseThrow().offset();
            if (offset == warm) {
                began = System.nanoTime();
            }
            if (offset >= warm && offset <= last && record.key() != null) {
                events++;
            }
            context().forward(record);
            if (offset == last) {
                context().commit();
                reached.countDown();
            }
        }
    }

    private static JsonNode tree(String topic, byte[] value) {
        try {
            return MAPPER.readTree(value);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void run(Map<String, String> asked) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, asked.get("group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, asked.get("broker"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, asked.get("folder"));
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        Serializer<JsonNode> never = (topic, value) -> {
            throw new UnsupportedOperationException("the counts are stored, not the events");
        };
        Deserializer<JsonNode> json = KafkaStreamsCount::tree;
        Serde<JsonNode> event = Serdes.serdeFrom(never, json);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(asked.get("topic"), Consumed.with(Serdes.String(), event))
                .processValues(Clock::new)
                .filter((key, value) -> key != null)
                .groupByKey(Grouped.with(Serdes.String(), event))
                .count();
        try (KafkaStreams streams = new KafkaStreams(builder.build(), settings);
                Admin admin = Admin.create(settings)) {
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
                return null;
            });
            streams.start();
            reached.await();
            while (committed(admin, asked) <= last) {
                Thread.sleep(10);
            }
            double seconds = (System.nanoTime() - began) / 1e9;
            System.out.println("{\"events\": " + events + ", \"seconds\": " + seconds + "}");
        }
    }

    private static long committed(Admin admin, Map<String, String> asked) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets =
                admin.listConsumerGroupOffsets(asked.get("group")).partitionsToOffsetAndMetadata().get();
        OffsetAndMetadata offset = offsets.get(new TopicPartition(asked.get("topic"), 0));
        return offset == null ? 0 : offset.offset();
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> asked = new HashMap<>();
        for (int i = 0; i < arguments.length; i += 2) {
            asked.put(arguments[i].substring(2), arguments[i + 1]);
        }
        new KafkaStreamsCount(Long.parseLong(asked.get("warm")), Long.parseLong(asked.get("until"))).run(asked);
    }
}
