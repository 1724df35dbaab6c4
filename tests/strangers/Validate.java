import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import java.nio.file.Files;
import java.nio.file.Path;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Prints each finding of HAPI as FILE, SEVERITY, PLACE and MESSAGE; ends with 1 where one is an error. */
class Validate {
  public static void main(String[] folders) throws Exception {
    var context = FhirContext.forR4();
    var validator = context.newValidator();
    validator.registerValidatorModule(
        new FhirInstanceValidator(
            new ValidationSupportChain(
                new DefaultProfileValidationSupport(context),
                new InMemoryTerminologyServerValidationSupport(context),
                new CommonCodeSystemsTerminologyService(context))));
    var errors = 0;
    for (var folder : folders) {
      try (var files = Files.list(Path.of(folder))) {
        for (var file : files.sorted().toList()) {
          for (var finding : validator.validateWithResult(Files.readString(file)).getMessages()) {
            if (finding.getSeverity().compareTo(ResultSeverityEnum.ERROR) >= 0) errors++;
            System.out.printf(
                "%s\t%s\t%s\t%s%n",
                file.getFileName(),
                finding.getSeverity(),
                finding.getLocationString(),
                finding.getMessage());
          }
        }
      }
    }
    System.exit(errors == 0 ? 0 : 1);
  }
}
