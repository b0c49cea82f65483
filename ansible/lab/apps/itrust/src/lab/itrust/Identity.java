package lab.itrust;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import javax.servlet.Filter;
import javax.servlet.FilterChain;
import javax.servlet.FilterConfig;
import javax.servlet.ServletContext;
import javax.servlet.ServletException;
import javax.servlet.ServletRequest;
import javax.servlet.ServletResponse;
import javax.servlet.http.HttpServletResponse;

/** Says on every answer which version gave it, and on which host. */
public final class Identity implements Filter {
    private static volatile String version = "unknown";
    private static volatile String host = "unknown";

    public static String version() {
        return version;
    }

    public static String host() {
        return host;
    }

    @Override
    public void init(FilterConfig config) {
        version = read(config.getServletContext());
        host = System.getProperty("app.host", name());
    }

    @Override
    public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        HttpServletResponse answer = (HttpServletResponse) response;
        answer.setHeader("X-App-Version", version);
        answer.setHeader("X-App-Host", host);
        chain.doFilter(request, response);
    }

    @Override
    public void destroy() {
    }

    private static String read(ServletContext context) {
        try (InputStream in = context.getResourceAsStream("/WEB-INF/VERSION")) {
            return in == null ? "unknown" : new BufferedReader(new InputStreamReader(in, "UTF-8")).readLine().trim();
        } catch (IOException error) {
            return "unknown";
        }
    }

    private static String name() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (IOException error) {
            return "unknown";
        }
    }
}
