<%@ page contentType="text/plain; charset=UTF-8" errorPage="/auth/exceptionHandler.jsp" import="lab.itrust.*" %>
<%@ include file="/database.jspf" %><%
for (String[] visit : Clinic.visits(Long.parseLong(request.getRemoteUser()))) {
    out.println(String.join("\t", visit));
}
%>
