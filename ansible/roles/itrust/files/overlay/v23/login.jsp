<%@ page errorPage="/auth/exceptionHandler.jsp"
    import="edu.ncsu.csc.itrust.enums.TransactionType, org.apache.commons.codec.digest.DigestUtils" %>
<%@ include file="/global.jsp" %>
<%
// In place of the war's page, which logs in by a redirect to j_security_check: current Tomcats refuse a GET of it, and the
// hash of the password stood in an address. Three failures close the door for the caller's address as before, until its
// time is over; the question by picture of the original no longer has a server.
pageTitle = "iTrust - Login";
String user = request.getParameter("j_username");
String password = request.getParameter("j_password");
if (user != null && password != null) {
    boolean in = request.getUserPrincipal() != null;
    if (!in && !loginFailureAction.needsCaptcha()) {
        long mid = user.matches("\\d{1,18}") ? Long.parseLong(user) : 0;
        try {
            String salt = mid == 0 ? "" : authDAO.getSalt(mid);
            session.setAttribute("loginFlag", "true");
            request.login(user, DigestUtils.sha256Hex(password + salt));
            in = true;
        } catch (Exception refused) {
            session.removeAttribute("loginFlag");
            loginMessage = loginFailureAction.recordLoginFailure();
            loggingAction.logEvent(TransactionType.LOGIN_FAILURE, mid, mid, mid == 0 ? "Username: " + user : "");
        }
    }
    response.sendRedirect(in ? "/iTrust/auth/forwardUser.jsp" : "/iTrust/login.jsp");
    return;
}
%>
<%@ include file="/header.jsp" %>
<h1>iTrust</h1>
<%@ include file="/footer.jsp" %>
