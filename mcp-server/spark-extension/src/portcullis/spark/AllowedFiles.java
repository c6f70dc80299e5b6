package portcullis.spark;

import java.net.URI;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.SparkSession;

/** The folders whose files may be read by their path; none, unless the operator names some. */
final class AllowedFiles {
  /** Folders, separated by commas: {@code file:/data/public,s3a://bucket/open}. */
  private static final String SETTING = "spark.portcullis.files";

  private final List<URI> folders;

  private AllowedFiles(List<URI> folders) {
    this.folders = folders;
  }

  /** Reads the server's own setting, which no session can change. */
  static AllowedFiles of(SparkSession session) {
    String setting = session.sparkContext().getConf().get(SETTING, "");
    return new AllowedFiles(
        Arrays.stream(setting.split(","))
            .map(String::trim)
            .filter(folder -> !folder.isEmpty())
            .map(AllowedFiles::address)
            .toList());
  }

  /** Refuses a path that is in none of the folders. */
  void require(String path) {
    URI file;
    try {
      file = address(path);
    } catch (IllegalArgumentException malformed) {
      throw refusal();
    }
    if (folders.stream().noneMatch(folder -> isWithin(file, folder))) {
      throw refusal();
    }
  }

  private static Refusal refusal() {
    return new Refusal(
        "files cannot be read by their path here: query the tables that SHOW TABLES lists");
  }

  private static URI address(String text) {
    URI uri = new Path(text).toUri().normalize();
    String scheme = uri.getScheme() == null ? "file" : uri.getScheme();
    String host = uri.getAuthority() == null ? "" : uri.getAuthority();
    return URI.create(scheme + "://" + host + new Path(uri.getPath()).toUri().getRawPath());
  }

  private static boolean isWithin(URI file, URI folder) {
    String inside = folder.getPath().endsWith("/") ? folder.getPath() : folder.getPath() + "/";
    return file.getScheme().equalsIgnoreCase(folder.getScheme())
        && String.valueOf(file.getAuthority()).equals(String.valueOf(folder.getAuthority()))
        && (file.getPath() + "/").startsWith(inside)
        && !(file.getPath() + "/").contains("/../");
  }
}
