<%@ page contentType="text/plain; charset=UTF-8" session="false"
    import="java.sql.*, java.util.concurrent.*, java.util.concurrent.atomic.AtomicReference, javax.naming.InitialContext, javax.sql.DataSource" %><%!
// One question to the database at a time, in a thread of its own, whoever asks meanwhile: a database that hangs holds one
// thread and not all of them.
private static final long LIMIT_MS = 3000;
private static final AtomicReference<FutureTask<Boolean>> ASKED = new AtomicReference<>();

private static boolean ask(DataSource source) throws Exception {
    try (Connection connection = source.getConnection();
            Statement statement = connection.createStatement();
            ResultSet row = statement.executeQuery("SELECT 1")) {
        return row.next();
    }
}

private static FutureTask<Boolean> question() throws Exception {
    FutureTask<Boolean> standing = ASKED.get();
    if (standing != null && !standing.isDone()) return standing;
    // Looked up here: a thread of our own would not know this application's names.
    DataSource source = (DataSource) new InitialContext().lookup("java:comp/env/jdbc/itrust");
    FutureTask<Boolean> fresh = new FutureTask<>(() -> ask(source));
    if (!ASKED.compareAndSet(standing, fresh)) return ASKED.get();
    Thread thread = new Thread(fresh, "readyz");
    thread.setDaemon(true);
    thread.start();
    return fresh;
}
%><%
response.setHeader("Cache-Control", "no-store");
boolean ready;
try {
    ready = question().get(LIMIT_MS, TimeUnit.MILLISECONDS);
} catch (Exception error) {
    application.log("not ready: " + error);
    ready = false;
}
if (!ready) response.setStatus(503);
%><%= ready ? "ready" : "not ready: the database is away" %>
