<%@ page isErrorPage="true" %><% response.sendRedirect("/iTrust/auth/forwardUser.jsp"); %>
