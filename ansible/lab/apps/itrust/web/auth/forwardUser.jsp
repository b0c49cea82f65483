<% response.sendRedirect("/iTrust/auth/home.jsp"); %>
