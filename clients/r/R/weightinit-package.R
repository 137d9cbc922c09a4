#' Initialized weights for neural networks, from a weight-init service
#'
#' [wi_client()] says where the service is. [wi_init()] answers a tensor as an R array, [wi_download()] writes one to a
#' file, [wi_recommend()] says which scheme fits an activation. Whatever fails is a [weight_init_error].
#'
#' @keywords internal
"_PACKAGE"
