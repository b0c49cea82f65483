<%@ page contentType="text/plain; charset=UTF-8" session="false" import="lab.itrust.*" %><%
// A page that takes its time, 60 s at most.
String asked = request.getParameter("seconds");
double seconds = asked != null && asked.matches("\\d{1,2}(\\.\\d{1,3})?") ? Double.parseDouble(asked) : 1;
Thread.sleep((long) (Math.min(seconds, 60) * 1000));
%>done <%= Text.html(Identity.version()) %>
