<%@ page contentType="text/plain; charset=UTF-8" session="false" import="java.io.*" %><%
// The process lives: no database, no session.
response.setHeader("Cache-Control", "no-store");
String version = "unknown";
try (InputStream in = application.getResourceAsStream("/WEB-INF/VERSION")) {
    if (in != null) version = new BufferedReader(new InputStreamReader(in, "UTF-8")).readLine().trim();
}
%>ok <%= version %>
