<%@ page contentType="text/plain; charset=UTF-8" errorPage="/auth/exceptionHandler.jsp" import="lab.itrust.*" %>
<%@ include file="/database.jspf" %><%
if (!"POST".equals(request.getMethod())) {
    response.sendError(405);
    return;
}
String notes = request.getParameter("notes");
long number = Clinic.visit(Long.parseLong(request.getRemoteUser()), notes == null ? "" : notes);
%>visit <%= number %>
