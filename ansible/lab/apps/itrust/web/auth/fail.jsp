<%@ page errorPage="/auth/exceptionHandler.jsp" %><% if (true) throw new IllegalStateException("a fault on demand"); %>
