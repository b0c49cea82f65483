<%@ page contentType="text/html; charset=UTF-8" errorPage="/auth/exceptionHandler.jsp" import="lab.itrust.*" %>
<%@ include file="/database.jspf" %>
<%
String user = request.getParameter("j_username");
String password = request.getParameter("j_password");
boolean refused = request.getParameter("loginError") != null;
if (user != null && password != null) {
    // The session is there before the login, so that its id changes with it and the login is kept in it.
    request.getSession(true);
    try {
        request.login(user, Text.sha256(password));
        response.sendRedirect("/iTrust/auth/forwardUser.jsp");
        return;
    } catch (Exception error) {
        refused = true;
    }
}
%>
<!doctype html>
<html lang="en">
<head><title>iTrust - Login</title></head>
<body>
<h1>iTrust</h1>
<% if (refused) { %><p>Failed login</p><% } %>
<form method="post" action="/iTrust/login.jsp">
<label>MID <input name="j_username"></label>
<label>Password <input type="password" name="j_password"></label>
<input type="submit" value="Login">
</form>
<p><%= Text.html(Identity.version()) %> on <%= Text.html(Identity.host()) %></p>
</body>
</html>
