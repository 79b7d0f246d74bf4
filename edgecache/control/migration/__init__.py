"""Take-over of what people have: templates, states and accounts as documents of CloudFront's API.

Words: *template* (CloudFormation's, also CDK's), *logical id* (a resource's name in a template),
*state* (what `terraform show -json` prints), *account* (a live one, asked over CloudFront's API),
*resource documents* (what all three become), *left out* (what is not taken over, and changes
nothing for viewers; what would change something is a problem, and then nothing is imported).

    resource_documents  resources of every kind, by the id that others name them by
    api_document        values of templates and states as CloudFront's API has them
    template_values     parameters, conditions and intrinsic functions of a template
    template_lambda     Lambda functions that a template's behaviors name
    template            a template to resource documents
    terraform_state     a state to resource documents
    live_account        a distribution of an account, with all it names
    folder              resource documents as a configuration file and what it names
    account_update      resource documents written over the API, or nothing of them
    viewer_changes      what viewers notice between two configurations

May import the rest of `control`, `config` and what is below.
"""
