<%@ page contentType="text/html; charset=UTF-8" errorPage="/auth/exceptionHandler.jsp" import="lab.itrust.*" %>
<%@ include file="/database.jspf" %>
<!doctype html>
<html lang="en">
<head><title>iTrust - Home</title></head>
<body>
<p>MID <%= Text.html(request.getRemoteUser()) %></p>
<p>version <%= Text.html(Identity.version()) %></p>
<p>host <%= Text.html(Identity.host()) %></p>
<p>address <%= Text.html(request.getRemoteAddr()) %></p>
<form method="post" action="/iTrust/auth/visit.jsp"><input name="notes"><input type="submit" value="Add a visit"></form>
<a href="/iTrust/auth/visits.jsp">visits</a>
</body>
</html>
