import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.KeywordAnalyzer;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.analysis.tokenattributes.PositionIncrementAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.Term;
import org.apache.lucene.monitor.*;
import org.apache.lucene.search.*;
import org.apache.lucene.search.BooleanClause.Occur;
import org.apache.lucene.search.spans.*;

/**
 * Runs the topics of DIR/topics.txt over the documents of DIR/documents.txt with Lucene Monitor,
 * one document after the other in one thread. Prints the CPU time of each timed pass and writes
 * what matched to DIR/matches.txt.
 */
public final class LuceneMonitor {
    private static final int TIMED_PASSES = 5;
    private static final String LEMMA = "lemma";
    private static final String FORM = "form";

    /** Bad input: its message goes to the user, without a stack trace. */
    private static final class Refused extends RuntimeException {
        Refused(String message) {
            super(message);
        }
    }

    public static void main(String[] arguments) throws IOException {
        try {
            check(arguments.length == 1, "usage: LuceneMonitor DIR");
            run(Path.of(arguments[0]));
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            System.exit(2);
        }
    }

    private static void run(Path directory) throws IOException {
        // Topics may hold more terms than Lucene's limit of 1024 clauses.
        BooleanQuery.setMaxClauseCount(Integer.MAX_VALUE);
        // A cache of queries' results only costs: each document is searched once, then dropped.
        IndexSearcher.setDefaultQueryCache(null);

        List<String[][]> documents =
                readLines(directory.resolve("documents.txt"), LuceneMonitor::document);
        TermWeightor weightor = rareTermsFirst(documents);
        // What is printed is what the topics take: the documents are no part of a matcher.
        long heapBefore = heapInUse();
        try (Monitor monitor = monitor(directory.resolve("topics.txt"), weightor)) {
            System.out.println("topics\t" + monitor.getQueryCount());
            System.out.println("heap\t" + (heapInUse() - heapBefore));

            Matcher matcher = new Matcher(monitor);
            List<String> lines = new ArrayList<>(); // gathered in the warm-up pass
            long expected = 0;
            for (String[][] document : documents) {
                List<String> names = matcher.match(document);
                expected += names.size();
                Collections.sort(names);
                lines.add(lines.size() + 1 + "\t" + String.join(" ", names));
            }
            Files.write(directory.resolve("matches.txt"), lines);

            for (int pass = 0; pass < TIMED_PASSES; pass++) {
                long found = 0;
                long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
                for (String[][] document : documents) {
                    found += matcher.match(document).size();
                }
                long end = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
                if (found != expected) {
                    throw new IllegalStateException("the passes differ in what they matched");
                }
                System.out.println("pass\t" + (end - start) / 1e9);
            }
        }
    }

    /** Gives a monitor with all topics of the file. */
    private static Monitor monitor(Path file, TermWeightor weightor) throws IOException {
        Set<String> names = new HashSet<>();
        List<MonitorQuery> topics = readLines(file, line -> {
            String[] parts = line.split("\t", -1);
            check(parts.length == 2, "expected NAME, one tab and QUERY");
            check(parts[0].matches("[^ ]+"), "the name is empty or has a space");
            // The monitor would silently let it replace the first one.
            check(names.add(parts[0]), "a second topic named " + parts[0]);
            Deque<String> tokens = new ArrayDeque<>(List.of(parts[1].split(" ", -1)));
            Query query = query(tokens);
            check(tokens.isEmpty(), "more follows after the query's end");
            return new MonitorQuery(parts[0], query);
        });
        // Filed under two sets of terms, which was quicker than one wherever it was tried.
        Presearcher presearcher =
                new MultipassTermFilteredPresearcher(2, 0, weightor, List.of(), Set.of());
        MonitorConfiguration configuration = new MonitorConfiguration()
                .setQueryUpdateBufferSize(topics.size()) // one commit makes one segment to search
                .setPurgeFrequency(1, TimeUnit.DAYS); // nothing is ever removed here
        Monitor monitor = new Monitor(new KeywordAnalyzer(), presearcher, configuration);
        monitor.register(topics);
        return monitor;
    }

    /** Takes one query off the tokens. */
    private static Query query(Deque<String> tokens) {
        take(tokens, "(");
        String kind = word(tokens);
        Query query = switch (kind) {
            case "and" -> combined(tokens, Occur.MUST);
            case "or" -> combined(tokens, Occur.SHOULD);
            case "without" -> new BooleanQuery.Builder()
                    .add(query(tokens), Occur.MUST).add(query(tokens), Occur.MUST_NOT).build();
            case "word" -> anyOf(terms(tokens));
            case "phrase" -> phrase(tokens);
            case "near" -> near(tokens);
            case "prefix" -> new PrefixQuery(new Term(FORM, word(tokens)));
            default -> throw new Refused("unknown kind of query: " + kind);
        };
        take(tokens, ")");
        return query;
    }

    private static Query combined(Deque<String> tokens, Occur occur) {
        BooleanQuery.Builder builder = new BooleanQuery.Builder();
        do {
            builder.add(query(tokens), occur);
        } while ("(".equals(tokens.peek()));
        return builder.build();
    }

    private static Query anyOf(Term[] terms) {
        // Not a TermInSetQuery: the presearcher would see no terms in it and always run it.
        BooleanQuery.Builder builder = new BooleanQuery.Builder();
        for (Term term : terms) {
            builder.add(new TermQuery(term), Occur.SHOULD);
        }
        return terms.length == 1 ? new TermQuery(terms[0]) : builder.build();
    }

    private static Query phrase(Deque<String> tokens) {
        MultiPhraseQuery.Builder builder = new MultiPhraseQuery.Builder();
        do {
            builder.add(place(tokens));
        } while ("(".equals(tokens.peek()));
        return builder.build();
    }

    private static Query near(Deque<String> tokens) {
        String slop = word(tokens);
        check(slop.matches("[0-9]{1,9}"), "not a distance: " + slop);
        return SpanNearQuery.newUnorderedNearQuery(LEMMA).setSlop(Integer.parseInt(slop))
                .addClause(span(place(tokens))).addClause(span(place(tokens))).build();
    }

    private static SpanQuery span(Term[] terms) {
        SpanQuery[] spans = Arrays.stream(terms).map(SpanTermQuery::new).toArray(SpanQuery[]::new);
        return spans.length == 1 ? spans[0] : new SpanOrQuery(spans);
    }

    private static Term[] place(Deque<String> tokens) {
        take(tokens, "(");
        Term[] terms = terms(tokens);
        take(tokens, ")");
        return terms;
    }

    private static Term[] terms(Deque<String> tokens) {
        List<Term> terms = new ArrayList<>();
        do {
            terms.add(new Term(LEMMA, word(tokens)));
        } while (!")".equals(tokens.peek()));
        return terms.toArray(Term[]::new);
    }

    private static String word(Deque<String> tokens) {
        String token = tokens.poll();
        check(token != null, "the query ends too early");
        check(!token.matches("[()]?"), "expected a word or a number, found '" + token + "'");
        return token;
    }

    private static void take(Deque<String> tokens, String bracket) {
        String token = tokens.poll();
        check(token != null, "the query ends too early");
        check(token.equals(bracket), "expected " + bracket + ", found '" + token + "'");
    }

    /** A document of one line: the terms of each of its places, the form first. */
    private static String[][] document(String line) {
        return Arrays.stream(line.split("\t", -1)).map(place -> {
            Set<String> terms = new LinkedHashSet<>(); // a form may be its own lemma
            if (!place.isEmpty()) {
                terms.addAll(List.of(place.split(" ", -1)));
            }
            check(!terms.contains(""), "an empty term");
            return terms.toArray(String[]::new);
        }).toArray(String[][]::new);
    }

    /** Weighs a term by 1 / (number of documents with it): topics are filed by rare terms. */
    private static TermWeightor rareTermsFirst(List<String[][]> documents) {
        Map<String, Integer> frequencies = new HashMap<>();
        for (String[][] document : documents) {
            Arrays.stream(document).flatMap(Arrays::stream).distinct()
                    .forEach(term -> frequencies.merge(term, 1, Integer::sum));
        }
        // A term in no document always weighs 1, so that no other may weigh more.
        return TermWeightor.termFreqWeightor(frequencies, 1, 0);
    }

    /** Puts documents to the monitor. Lucene's objects are used again for each. */
    private static final class Matcher {
        private final Monitor monitor;
        private final Terms lemmas = new Terms(false);
        private final Terms forms = new Terms(true);
        private final Document fields = new Document();

        Matcher(Monitor monitor) {
            this.monitor = monitor;
            fields.add(new TextField(LEMMA, lemmas));
            fields.add(new TextField(FORM, forms));
        }

        List<String> match(String[][] document) throws IOException {
            lemmas.places = document;
            forms.places = document;
            MatchingQueries<QueryMatch> found = monitor.match(fields, QueryMatch.SIMPLE_MATCHER);
            // The monitor keeps going when a topic throws, which would pass for no match.
            if (!found.getErrors().isEmpty()) {
                throw new IllegalStateException("topics failed: " + found.getErrors());
            }
            List<String> names = new ArrayList<>();
            found.getMatches().forEach(match -> names.add(match.getQueryId()));
            return names;
        }
    }

    /** A document's terms, place by place: all of them, or the first of each place only. */
    private static final class Terms extends TokenStream {
        private final CharTermAttribute text = addAttribute(CharTermAttribute.class);
        private final PositionIncrementAttribute step =
                addAttribute(PositionIncrementAttribute.class);
        private final boolean firstOnly;
        private String[][] places;
        private int place;
        private int next;

        Terms(boolean firstOnly) {
            this.firstOnly = firstOnly;
        }

        @Override
        public void reset() {
            place = -1;
            next = 0;
        }

        @Override
        public boolean incrementToken() {
            int steps = 0;
            while (next == termsHere()) { // also steps over places without terms
                if (place + 1 == places.length) {
                    return false;
                }
                place++;
                next = 0;
                steps++;
            }
            clearAttributes();
            text.append(places[place][next++]);
            step.setPositionIncrement(steps);
            return true;
        }

        private int termsHere() {
            int terms = place < 0 ? 0 : places[place].length;
            return firstOnly ? Math.min(terms, 1) : terms;
        }
    }

    private static <T> List<T> readLines(Path file, Function<String, T> read) {
        List<T> values = new ArrayList<>();
        try {
            for (String line : Files.readAllLines(file)) {
                values.add(read.apply(line));
            }
        } catch (CharacterCodingException bad) {
            throw new Refused(file + ": not UTF-8");
        } catch (IOException bad) {
            throw new Refused("cannot read " + bad.getMessage());
        } catch (Refused refused) {
            throw new Refused(file + ", line " + (values.size() + 1) + ": " + refused.getMessage());
        }
        return values;
    }

    private static void check(boolean good, String message) {
        if (!good) {
            throw new Refused(message);
        }
    }

    private static long heapInUse() {
        System.gc();
        System.gc(); // what Lucene holds by weak references is freed by a second one only
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }
}
